"""How hard a command may push, and the waiting that keeps to it."""
