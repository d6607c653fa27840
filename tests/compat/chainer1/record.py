"""Record in then.json what Python 2.7 with Chainer 1.24 gives for then.py2: record.py PYTHON2.7.

Recorded with Python 2.7.18, Chainer 1.24.0 and NumPy 1.16.6, on the CPU.
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

if __name__ == '__main__':
    lines = subprocess.check_output([sys.argv[1], '-W', 'ignore', HERE / 'then.py2'], text=True).splitlines()
    assert all(json.loads(line) for line in lines)
    (HERE / 'then.json').write_text('[\n' + ',\n'.join(lines) + '\n]\n')
