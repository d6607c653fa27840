"""Python 2 on Python 3: sources are translated when they are loaded, and mean what they meant."""
