"""What runs this project's own chores. The commands are the files without an ending."""
