"""Lambda entry points: unwrap the event, call one service, answer."""
