// One box ticks all of its page: data-tick-all names the boxes.
(function () {
  "use strict";

  document.addEventListener("change", function (event) {
    var name = event.target.dataset.tickAll;
    if (!name) { return; }
    document.querySelectorAll("input[type=checkbox][name=" + name + "]").forEach(function (box) { box.checked = event.target.checked; });
  });
})();
