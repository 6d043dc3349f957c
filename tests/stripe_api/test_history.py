"""Reading an account's past: all of it, only with reads, gently, and on from where a killed process was."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runplane_mcp.core.history import Left, Pages, Source, happened
from runplane_mcp.core.sending import API_VERSION
from runplane_mcp.core.wire import WireRequest
from runplane_mcp.errors import StripeError
from runplane_mcp.simulator import SIMULATOR_KEY, Simulator, SimulatorServer
from runplane_mcp.simulator.faults import Fault, FaultKind
from runplane_mcp.stripe_api import history as history_module
from runplane_mcp.stripe_api.answers import Answer
from runplane_mcp.stripe_api.client import StripeConnection
from runplane_mcp.stripe_api.history import HistoryFolder, Span, read_history
from tests.crash import Probe, run_and_kill
from tests.history_world import DAYS, END, ninety_days
from tests.simulator.world import DAY

SPAN = Span("simulator:past", "acct_alder_coffee", False, END - DAYS * DAY, END)


class Watched(StripeConnection):
    """A connection that remembers what went out."""

    sent: list[str]

    async def send(
        self,
        wire: WireRequest,
        *,
        idempotency_key: str | None,
        account: str | None = None,
        version: str = API_VERSION,
        in_time: Callable[[], bool] | None = None,
    ) -> Answer:
        self.__dict__.setdefault("sent", []).append(f"{wire.method} {wire.url}")
        return await super().send(wire, idempotency_key=idempotency_key, account=account, version=version)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    path = tmp_path_factory.mktemp("past") / "world.db"
    return path, ninety_days(path)


@pytest.fixture
def company(past: tuple[Path, dict[str, int]]) -> Iterator[Simulator]:
    simulator = Simulator(past[0], now=lambda: END)
    yield simulator
    simulator.clear_faults()
    simulator.close()


async def read(company: Simulator, folder: Path) -> tuple[Pages, list[str]]:
    with SimulatorServer(company) as server:
        async with Watched(SIMULATOR_KEY, base=server.base_url) as connection:
            pages = await read_history(connection, HistoryFolder(folder), SPAN)
            return pages, connection.__dict__.get("sent", [])


async def test_all_that_was_done_is_found_and_nothing_but_reads_went_out(
    company: Simulator, past: tuple[Path, dict[str, int]], tmp_path: Path
) -> None:
    before, done = company.summary(), past[1]

    pages, sent = await read(company, tmp_path / "history")

    left = Left()
    found = [each.operation_id for each in happened(pages, SPAN.since, left)]
    assert {each.partition(" ")[0] for each in sent} == {"GET"}
    assert before["writes"] == company.summary()["writes"]
    assert done["refunds"] == found.count("PostRefunds")
    assert done["payouts"] == found.count("PostPayouts")
    assert done["transfers"] == found.count("PostTransfers")
    assert done["reversals"] == found.count("PostTransfersIdReversals")
    assert done["cancellations"] == found.count("DeleteSubscriptionsSubscriptionExposedId")
    assert sum(each.startswith("GET /v1/refunds?") for each in sent) == 2, "more than one page, or paging is not tried"


async def test_a_killed_reading_goes_on_at_the_page_where_it_was(company: Simulator, tmp_path: Path) -> None:
    whole, asked = await read(company, tmp_path / "whole")
    path = company.path

    def begin(probe: Probe) -> None:
        async def work() -> None:
            world = Simulator(path, now=lambda: END)
            with SimulatorServer(world) as server:
                async with StripeConnection(SIMULATOR_KEY, base=server.base_url) as connection:
                    folder = HistoryFolder(tmp_path / "cut")
                    await read_history(connection, folder, SPAN, progress=lambda *_: probe("page"))

        asyncio.run(work())

    await asyncio.to_thread(run_and_kill, begin, "page#2")
    pages, rest = await read(company, tmp_path / "cut")

    assert whole == pages
    assert asked[2:] == rest, "the two pages that were there are not asked for again"


async def test_a_half_written_page_is_none(company: Simulator, tmp_path: Path) -> None:
    whole, asked = await read(company, tmp_path / "history")
    page = tmp_path / "history" / "refunds-00001.json"
    page.rename(page.with_suffix(".json.new"))
    page.with_suffix(".json.new").write_text('{"data": [{"id"')

    pages, again = await read(company, tmp_path / "history")

    assert whole == pages
    assert [asked[1]] == again


async def test_another_span_begins_anew(company: Simulator, tmp_path: Path) -> None:
    folder = HistoryFolder(tmp_path / "history")
    folder.begin(Span("simulator:past", "acct_other", False, 0, END))
    folder.add(Source.REFUNDS, 0, [{"id": "re_of_somebody_else"}], None)

    pages, _ = await read(company, tmp_path / "history")

    assert "re_of_somebody_else" not in json.dumps([*pages[Source.REFUNDS]])


async def test_rate_limits_are_waited_for_and_not_for_ever(
    company: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("runplane_mcp.stripe_api.history.anyio.sleep", sleep)
    company.add_fault(Fault(FaultKind.LIMIT_429, method="GET", path_prefix="/v1/refunds", times=3))

    pages, _ = await read(company, tmp_path / "history")

    assert pages[Source.REFUNDS]
    assert waited == sorted(waited)
    assert 3 == len(waited)
    company.add_fault(Fault(FaultKind.LIMIT_429, method="GET", path_prefix="/v1/refunds", times=100))
    with pytest.raises(StripeError) as raised:
        await read(company, tmp_path / "other")
    assert raised.value.code == "stripe.unreachable"
    assert len(waited) == 3 + history_module.MOST_TRIES


async def test_what_is_kept_holds_no_names_and_only_its_owner_reads_it(company: Simulator, tmp_path: Path) -> None:
    await read(company, tmp_path / "history")

    files = sorted((tmp_path / "history").iterdir())
    text = "".join(each.read_text() for each in files)
    personal = ("@example", "billing_details", '"description"', "receipt", '"name"', "nickname", "metadata")
    assert [] == [name for name in personal if name in text]
    assert {0o600} == {each.stat().st_mode & 0o777 for each in files}
