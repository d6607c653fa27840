"""Convolutions from scratch, what they cost, and the page about it: one study that trains nothing."""
