# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Script that makes the view's page draw less where a browser has no graphics card.

Software takes half as long again to draw with smooth edges, or longer, and viser draws for a
quarter of a second after each change as often as it can: ten frames a second would keep all
processors busy.
The script does nothing where there is a graphics card, or a page is asked for with `?smooth`.
"""

import gzip
from typing import Any

__all__ = ["MOST_DRAWN_HZ", "SMOOTH", "with_script"]

#: Where software draws, a page is drawn at most so often a second.
MOST_DRAWN_HZ = 12.5
#: End of an address whose page is drawn with smooth edges, and as often as it may be.
SMOOTH = "?smooth"
_HEAD = b"<head>"
_SCRIPT = """<script>
(() => {
  if (new URLSearchParams(location.search).has('smooth')) return;
  const probe = document.createElement('canvas').getContext('webgl2');
  if (!probe) return;
  const told = probe.getExtension('WEBGL_debug_renderer_info');
  const names = [probe.RENDERER, ...(told ? [told.UNMASKED_RENDERER_WEBGL] : [])];
  const name = names.map(key => probe.getParameter(key)).join(' ');
  const loses = probe.getExtension('WEBGL_lose_context');
  if (loses) loses.loseContext();
  if (!/swiftshader|llvmpipe|softpipe|software|basic render/i.test(name)) return;

  const getContext = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, wanted) {
    const how = /webgl/.test(kind) ? { ...wanted, antialias: false } : wanted;
    return getContext.call(this, kind, how);
  };

  const ask = window.requestAnimationFrame.bind(window);
  const waiting = new Map();
  let asked = false, last = 0, number = 0;
  const run = time => {
    asked = false;
    last = performance.now();
    for (const [id, call] of [...waiting]) {
      if (!waiting.delete(id)) continue;
      try { call(time); } catch (error) { reportError(error); }
    }
  };
  window.requestAnimationFrame = call => {
    waiting.set(++number, call);
    if (!asked) {
      asked = true;
      setTimeout(() => ask(run), Math.max(0, last + PERIOD_MS - performance.now()));
    }
    return number;
  };
  window.cancelAnimationFrame = id => { waiting.delete(id); };
})();
</script>""".replace("PERIOD_MS", f"{1000 / MOST_DRAWN_HZ:g}")


def with_script(answer: Any) -> Any:
    """Return the answer to a request; where it is viser's page, with the script in its head.

    Args:
        answer: of websockets' HTTP server: status, headers and body; None: a connection goes on.
    """
    if answer is None or not answer.headers.get("Content-Type", "").startswith("text/html"):
        return answer
    zipped = answer.headers.get("Content-Encoding") == "gzip"
    page = gzip.decompress(answer.body) if zipped else answer.body
    page = page.replace(_HEAD, _HEAD + _SCRIPT.encode(), 1)
    answer.body = gzip.compress(page, 3) if zipped else page
    del answer.headers["Content-Length"]
    answer.headers["Content-Length"] = str(len(answer.body))
    return answer
