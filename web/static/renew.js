// A part of a page that renews itself every data-renew seconds, as long as the server says so. Nobody is disturbed at it:
// not while the page is hidden, nor while something in it has the keyboard's focus. When no answer comes it says so and
// goes on asking: what it shows must not pass for the present.
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
      .then(function (answer) {
        if (!answer.ok) { throw new Error(String(answer.status)); }
        return answer.text();
      })
      .then(function (text) {
        var fresh = new DOMParser().parseFromString(text, "text/html").querySelector("[data-renew]");
        if (!fresh) { window.location.reload(); return; }
        part.replaceWith(fresh);
        wait();
      })
      .catch(function () { tell(part); wait(); });
  }

  function tell(part) {
    if (part.querySelector(".wb-stale")) { return; }
    var line = document.createElement("p");
    line.className = "alert alert-danger wb-stale";
    line.setAttribute("role", "alert");
    line.textContent = "Waybill has not answered since " + new Date().toLocaleTimeString() + ": what stands here is old. This page goes on asking.";
    part.prepend(line);
  }

  wait();
})();
