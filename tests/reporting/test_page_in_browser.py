"""The page as a browser shows it: Chromium, headless, from file://, where it is installed."""

import json
import re
import shutil
import subprocess

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--enable-logging=stderr', '--timeout=20000')
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason='the page is shown in Chromium: apt-get install chromium'
)

# Runs in the page after all has been loaded, does what a reader would do, and leaves what it saw.
PROBE = """
<script>
  window.addEventListener('load', () => {
    const visible = selector =>
      [...document.querySelectorAll(selector)].filter(each => each.offsetParent !== null);
    const rows = () => visible('.verdicts tbody tr').map(row => [row.querySelector('th').innerText,
      row.dataset.verdict, row.querySelector('.chip').innerText]);
    const seen = {
      pictures: [...document.querySelectorAll('.panels')].map(each => [each.getAttribute('aria-label'),
        [...each.querySelectorAll('svg')].map(svg => [svg.getBoundingClientRect().width,
          svg.querySelectorAll('path').length, getComputedStyle(svg).fill])]),
      colour: getComputedStyle(document.body).color,
      more: visible('.scroll').filter(each => each.classList.contains('more')).length,
      scrolling: visible('.scroll').filter(each => each.scrollWidth > each.clientWidth + 1).length,
      filters: visible('#filters input').length,
      all: rows(),
      wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      unlabelled: visible('input').filter(input => !input.labels.length).length,
    };
    for (const box of visible('#filters input')) if (box.value !== 'reproduced') box.click();
    seen.reproduced = rows();
    seen.articles = visible('article').map(each => each.dataset.verdict);
    for (const box of visible('#filters input')) if (!box.checked) box.click();
    seen.again = rows().length;
    document.body.textContent = 'SEEN' + JSON.stringify(seen) + 'NEES';
  });
</script>
"""


def browse(page, *flags):
    """Load a page; return what Chromium made of it and what it had to say on its console."""
    result = subprocess.run(
        [CHROMIUM, *FLAGS, *flags, '--dump-dom', page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout, re.findall(r'CONSOLE.*', result.stderr)


@pytest.mark.parametrize('size', ['1280,900', '500,800'], ids=['desktop', 'phone'])
def test_page_in_chromium(built, tmp_path, size):
    page, probed = built.path / 'report.html', tmp_path / 'probed.html'
    probed.write_text(page.read_text().replace('</body>', PROBE + '</body>'))
    shown, console = browse(probed, f'--window-size={size}', f'--user-data-dir={tmp_path / "profile"}')
    assert not console
    seen = json.loads(re.search('SEEN(.*)NEES', shown, re.S)[1])

    assert len(seen['pictures']) == 2
    for label, panels in seen['pictures']:
        assert len(label) > 50 and len(panels) == 2
        # Not shrunk until the text cannot be read, and in the page's own colour.
        for width, paths, fill in panels:
            assert (width > 330, paths > 20, fill) == (True, True, seen['colour'])
    # What goes on to the right says so.
    assert seen['more'] == seen['scrolling']
    claims = json.loads((built.path / 'claims.json').read_text())['claims']
    expected = [(claim['id'], claim['verdict']) for claim in claims]
    assert [(name, verdict) for name, verdict, _ in seen['all']] == expected
    assert all(verdict in chip for _, verdict, chip in seen['all'])
    # Tables scroll by themselves; the page does not.
    assert seen['wide'] <= 0
    assert (seen['filters'], seen['unlabelled']) == (4, 0)
    reproduced = [name for name, verdict in expected if verdict == 'reproduced']
    assert reproduced and [name for name, *_ in seen['reproduced']] == reproduced
    assert set(seen['articles']) == {'reproduced'}
    assert seen['again'] == 16


def test_the_probe_sees_a_broken_page(built, tmp_path):
    """The test above would notice: an error on the console, a picture that is none."""
    text, page = (built.path / 'report.html').read_text(), tmp_path / 'broken.html'
    broken = re.sub(r'<svg .*?</svg>', '', text, flags=re.DOTALL)
    page.write_text(broken.replace('</body>', '<script>missing()</script>' + PROBE + '</body>'))
    shown, console = browse(page, f'--user-data-dir={tmp_path / "profile"}')
    assert any('missing is not defined' in line for line in console)
    assert not any(panels for _, panels in json.loads(re.search('SEEN(.*)NEES', shown, re.S)[1])['pictures'])
