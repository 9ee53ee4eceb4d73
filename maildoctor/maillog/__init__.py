"""Reading mail logs of every kind: recognising messages, and gathering them into incidents."""
