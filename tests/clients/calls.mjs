// One session of a TypeScript client over stdio: connects, lists, calls, and prints what it got as one JSON value.
//
// The only argument is JSON: {"sdk": "1" | "2", "mode": "legacy" | "auto" | {"pin": …}, "server": {command, args, env, cwd},
// "calls": [{name, arguments}, …]}. Results are checked against each tool's output schema by the client itself; one that does
// not fit ends the session.
import { Client as ClientOne } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioOne } from '@modelcontextprotocol/sdk/client/stdio.js';
import { Client as ClientTwo } from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioTwo } from '@modelcontextprotocol/client/stdio';

const { sdk, mode, server, calls } = JSON.parse(process.argv[2]);
const info = { name: `typescript-${sdk}`, version: '1' };
const one = sdk === '1';
const client = one ? new ClientOne(info) : new ClientTwo(info, { versionNegotiation: { mode } });
const transport = one ? new StdioOne(server) : new StdioTwo(server);
let negotiated;
if (one) transport.setProtocolVersion = (version) => (negotiated = version);

await client.connect(transport);
try {
  const { tools } = await client.listTools();
  const results = [];
  for (const call of calls) results.push(await client.callTool(call));
  const protocol = one ? negotiated : client.getNegotiatedProtocolVersion();
  console.log(JSON.stringify({ protocol, instructions: client.getInstructions(), tools, results }));
} finally {
  await client.close();
}
