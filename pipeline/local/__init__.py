"""The whole pipeline on one machine: embedded Postgres, a local AWS, the real template deployed to it."""
