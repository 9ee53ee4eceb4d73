"""Tests of probe: against a scripted server that misbehaves, and against real hosts."""
