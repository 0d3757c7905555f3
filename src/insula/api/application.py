"""Litestar, without what it loads for models of libraries that no route here has."""

from litestar import Litestar
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin


class Application(Litestar):
    """Wherever pydantic is installed (a library of a gateway's needs it) Litestar imports it, and attrs: 8 MB for
    nothing."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]
