"""The page as a browser shows it: Chromium, headless, from file://, where it is installed."""

import json
import re
import shutil
import subprocess

import pytest

from vgg_cifar.reporting import report

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason='no Chromium on the PATH to show the page in')

# Runs in the page after all has been loaded, does what a reader would do, and leaves what it saw.
PROBE = """
<script>
  window.addEventListener('load', () => {
    const visible = selector => [...document.querySelectorAll(selector)].filter(each => each.offsetParent !== null);
    const rows = () => visible('.verdicts tbody tr').map(row => [row.querySelector('th').innerText,
      row.dataset.verdict, row.querySelector('.chip').innerText]);
    const seen = {
      images: [...document.images].map(image => [image.complete, image.naturalWidth, image.alt]),
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
        [CHROMIUM, '--headless', '--no-sandbox', '--disable-gpu', '--enable-logging=stderr', *flags]
        + ['--timeout=20000', '--dump-dom', page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout, re.findall(r'CONSOLE.*', result.stderr)


@pytest.mark.parametrize('size', ['1280,900', '500,800'], ids=['desktop', 'phone'])
def test_page_in_chromium(folder, tmp_path, size):
    page = report.build(folder)
    probed = page.with_name('probed.html')
    probed.write_text(page.read_text().replace('</body>', PROBE + '</body>'))
    shown, console = browse(probed, f'--window-size={size}', f'--user-data-dir={tmp_path / "profile"}')
    assert not console
    seen = json.loads(re.search('SEEN(.*)NEES', shown, re.S)[1])

    assert len(seen['images']) == 2
    assert all(complete and width > 400 and len(alt) > 50 for complete, width, alt in seen['images'])
    claims = json.loads((folder.path / 'claims.json').read_text())['claims']
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


def test_the_probe_sees_a_broken_page(folder, tmp_path):
    """The test above would notice: an error on the console, an image that is none."""
    page = report.build(folder)
    page.write_text(
        page.read_text()
        .replace('data:image/svg+xml;base64,', 'data:image/svg+xml;base64,broken', 1)
        .replace('</body>', '<script>missing()</script>' + PROBE + '</body>')
    )
    shown, console = browse(page, f'--user-data-dir={tmp_path / "profile"}')
    assert any('missing is not defined' in line for line in console)
    assert not all(width for _, width, _ in json.loads(re.search('SEEN(.*)NEES', shown, re.S)[1])['images'])
