"""The one way to fill a directory: staging, journal, switch."""
