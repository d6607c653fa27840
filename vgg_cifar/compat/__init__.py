"""Old code on today's stack, and the only place that patches anything that belongs to others."""
