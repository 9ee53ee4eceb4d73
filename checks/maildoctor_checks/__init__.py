"""The checks that come with maildoctor: one file an area."""
