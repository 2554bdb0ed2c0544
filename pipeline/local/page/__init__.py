"""The demo's chat page: a small chat app that saves as the real one does, and shows what memory makes of it."""
