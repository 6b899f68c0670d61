"""The templates of the pages (https://jinja.palletsprojects.com), every value escaped."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def environment() -> Environment:
    """What renders them."""
    loader = PackageLoader("hub.facade.browse", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
