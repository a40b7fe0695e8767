// A part of a page that renews itself every data-renew seconds, as long as the server says so. Nobody is disturbed at it:
// not while the page is hidden, nor while something in it has the keyboard's focus.
(function () {
  "use strict";

  function wait() {
    var part = document.querySelector("[data-renew]");
    var seconds = part ? Number(part.dataset.renew) : 0;
    if (seconds) { window.setTimeout(function () { renew(part); }, seconds * 1000); }
  }

  function renew(part) {
    if (document.hidden || part.contains(document.activeElement)) { wait(); return; }
    fetch(window.location.href, { credentials: "same-origin" })
      .then(function (answer) { return answer.text(); })
      .then(function (text) {
        var fresh = new DOMParser().parseFromString(text, "text/html").querySelector("[data-renew]");
        if (!fresh) { window.location.reload(); return; }
        part.replaceWith(fresh);
        wait();
      })
      .catch(wait);
  }

  wait();
})();
