"""The version of everything here: the client, the pipeline, and the bundles. It is named in this one place."""

VERSION = "0.1.0"
