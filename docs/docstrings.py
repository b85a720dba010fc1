"""Griffe extension: how the package's docstrings become pages.

Roles of Sphinx become code; ``Example:`` sections and tables of ``====`` become code blocks.
"""

import re
import textwrap

import griffe

ROLE = re.compile(r':(?:class|func|meth|mod|attr|data):`~?([^`]+)`')
EXAMPLE = re.compile(r'^( *)Examples?:\n((?:\1 +.*\n?| *\n)+)', re.MULTILINE)
RULED = re.compile(r'^=+(?: +=+)+\n(?:.*\n)+?=+(?: +=+)+\n(?:(?:.*\n)+?=+(?: +=+)+(?:\n|$))?', re.M)


def fence(text: str, language: str) -> str:
    return f'```{language}\n{textwrap.dedent(text).strip()}\n```\n\n'


def to_markdown(text: str) -> str:
    """A docstring without Sphinx's markup."""
    text = ROLE.sub(r'`\1`', text)
    text = RULED.sub(lambda found: fence(found[0], 'text'), text)
    text = EXAMPLE.sub(lambda found: 'Example:\n\n' + fence(found[2], 'python'), text)
    return re.sub(r'::$', ':', text, flags=re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites docstrings as they are collected; the sources stay as they are."""

    def on_instance(self, *, obj: griffe.Object, **kwargs) -> None:
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(obj.docstring.value)
