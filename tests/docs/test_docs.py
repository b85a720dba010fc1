"""What the documents name exists: links, files, tools and their options; no network, no mkdocs."""

import re
import shlex
from pathlib import Path

import pytest
from helpers import ROOT

DOCS = ROOT / 'docs'
PAGES = sorted(
    [
        *ROOT.glob('*.md'),
        *DOCS.rglob('*.md'),
        *(ROOT / 'configs').rglob('README.md'),
        *(ROOT / 'projects').rglob('README.md'),
    ]
)
FENCE = re.compile(r'^( *)```([^\n]*)\n(.*?)^\1```', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\]\(([^)\s]+)\)')
ROOT_PATH = re.compile(
    r'(?<![\w./-])(?:configs|tools|tests|projects|deeprank_plugin|docs)/[\w./-]*\w'
)


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list:
    """(language, text) of the code blocks of a page."""
    return [(found[2].strip(), found[3]) for found in FENCE.finditer(page.read_text())]


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return FENCE.sub('', page.read_text())


def anchors(page: Path) -> set:
    """The anchors of a page's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r'^#+ (.+)$', prose(page), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_links_lead_somewhere(page):
    for link in LINK.findall(prose(page)):
        if link.startswith(('http://', 'https://', 'mailto:')):
            continue
        path, _, anchor = link.partition('#')
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f'{name(page)}: {link} leads to no file'
        if anchor:
            assert anchor in anchors(target), f'{name(page)}: {link} leads to no heading'


@pytest.mark.parametrize('page', [p for p in PAGES if p.is_relative_to(DOCS)], ids=name)
def test_pages_link_only_within_the_site(page):
    """mkdocs cannot follow a link out of docs/."""
    for link in LINK.findall(prose(page)):
        if not link.startswith(('http://', 'https://', '#')):
            target = (page.parent / link.partition('#')[0]).resolve()
            assert target.is_relative_to(DOCS), f'{name(page)}: {link} leads out of docs/'


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_named_files_exist(page):
    """Paths of the repository, in text and commands; a pattern with < > or * names none."""
    text = re.sub(r'\S*[<*{]\S*', '', page.read_text())
    for path in set(ROOT_PATH.findall(text)):
        inside = [ROOT / path, ROOT / 'deeprank_plugin' / path, page.parent / path]
        assert any(p.exists() for p in inside), f'{name(page)} names {path}, which does not exist'


def test_every_page_is_in_the_navigation():
    found = re.findall(r': (\S+\.md)$', (ROOT / 'mkdocs.yml').read_text(), re.MULTILINE)
    pages = {p.relative_to(DOCS).as_posix() for p in DOCS.rglob('*.md')}
    assert len(found) == len(set(found)) and set(found) == pages


def test_readme_code_blocks_are_short():
    for _, text in blocks(ROOT / 'README.md'):
        assert len(text.splitlines()) <= 15, text


def commands(page: Path) -> list:
    """The calls of Python tools in a page's code blocks, as lists of words."""
    found = []
    for language, text in blocks(page):
        if language in ('', 'bash', 'sh', 'console', 'shell'):
            for line in text.replace('\\\n', ' ').splitlines():
                call = re.search(r'\bpython ((?:tools|projects)/\S+\.py\b[^#|;&]*)', line)
                if call:
                    found.append(shlex.split(call[1]))
    return found


def known_options(tool: Path) -> set:
    """Options that a tool, and the shared modules of command lines where it uses them, define."""
    text = tool.read_text()
    if 'make_parser' in text:
        text += (ROOT / 'tools' / 'benchmark' / 'common.py').read_text()
    shared = ROOT / 'deeprank_plugin' / 'command_line'
    conversion = shared / 'conversion.py'
    if 'add_common_arguments' in text or 'add_parameters' in text:
        text += ''.join(path.read_text() for path in shared.glob('*.py') if path != conversion)
    if 'add_conversion_options' in text:
        text += conversion.read_text()
    return set(re.findall(r"'(--[\w-]+)'", text)) | {'--help'}


CALLS = [(page, words) for page in PAGES for words in commands(page)]


def test_there_are_commands_to_check():
    assert len(CALLS) > 40


@pytest.mark.parametrize(
    'page,words', CALLS, ids=[f'{name(page)}-{i}' for i, (page, _) in enumerate(CALLS)]
)
def test_commands_know_their_options(page, words):
    tool = ROOT / words[0]
    assert tool.is_file(), f'{name(page)}: {words[0]} does not exist'
    given = {word.partition('=')[0] for word in words[1:] if word.startswith('--')}
    unknown = given - known_options(tool)
    assert not unknown, f'{name(page)}: {words[0]} has no {", ".join(sorted(unknown))}'


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_python_blocks_parse(page):
    for language, text in blocks(page):
        if language.startswith('python'):
            compile(text, name(page), 'exec')
