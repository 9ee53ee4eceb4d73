"""A host that does not run: a directory tree, such as a mounted disk, a backup or a recorded case."""

import os

from maildoctor.host.base import Host
from maildoctor.host.errors import NeedsLiveHost
from maildoctor.host.live import Output


class TreeHost(Host):
    """The tree below ``root``; its absolute symbolic links mean the tree."""

    def __init__(self, root: str) -> None:
        """Look at the tree below ``root``, a directory of this machine."""
        super().__init__()
        self.root = os.path.realpath(root)

    def here(self, path: str) -> str:
        """Give the place on this machine of the tree's link-free ``path``."""
        return self.root + path

    def run(self, *command: str, timeout: float = 3.0) -> Output:
        """Refuse: a tree runs nothing."""
        raise NeedsLiveHost(" ".join(command))
