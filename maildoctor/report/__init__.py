"""Results as text, JSON and more: one file a format."""
