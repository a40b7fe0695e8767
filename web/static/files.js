// The form of a profile: presets fill in, a live look at what would come of it, the connection test or test send.
(function () {
  "use strict";

  var PREFIX = "settings-";

  function input(form, key) { return form.querySelector('[name="' + PREFIX + key + '"]'); }

  // A preset fills its settings at once; a setting that was changed makes it "Custom".
  function presets(select) {
    var filled = JSON.parse(select.dataset.presets);
    var note = document.createElement("small");
    note.className = "badge badge-info";
    note.textContent = "Custom: a setting differs";
    select.after(note);
    function each(use) {
      var values = filled[select.value] || {};
      return Object.keys(values).map(function (key) { return use(input(select.form, key), values[key]); });
    }
    function compare() {
      note.hidden = each(function (field, value) { return field.value === value; }).every(Boolean);
    }
    function fill(onlyEmpty) {
      each(function (field, value) { if (!onlyEmpty || !field.value) { field.value = value; } });
      compare();
    }
    select.addEventListener("change", function () { fill(false); });
    select.form.addEventListener("change", compare);
    fill(true);
  }

  // Settings that mean nothing with another one's choice are out of sight; what may be read on the way says so in red.
  function depend(form) {
    form.querySelectorAll("[data-only-with]").forEach(function (part) {
      var field = form.querySelector('[name="' + part.dataset.onlyWith + '"]');
      part.classList.toggle("wb-hidden", part.dataset.words.split(" ").indexOf(field.value) < 0);
    });
    var protocol = input(form, "protocol");
    if (!protocol) { return; }
    var chip = protocol.parentNode.querySelector(".badge-danger");
    if (!chip) {
      chip = document.createElement("small");
      chip.className = "badge badge-danger";
      chip.textContent = "clear text";
      protocol.after(chip);
    }
    chip.hidden = protocol.selectedOptions[0].text.indexOf("clear text") < 0;
  }

  // Parts of the answer go to their places in the form; what has no place of its own is given back.
  function spread(text) {
    var rest = document.createElement("div");
    rest.innerHTML = text;
    document.querySelectorAll("[data-spot]").forEach(function (spot) {
      var part = rest.querySelector('[data-goes="' + spot.dataset.spot + '"]');
      spot.replaceChildren();
      if (part) { spot.appendChild(part); }
    });
    return rest;
  }

  function ask(url, form) {
    return fetch(url, { method: "POST", body: new FormData(form) }).then(function (answer) {
      if (!answer.ok || answer.redirected) { throw new Error(answer.status); }
      return answer.text();
    });
  }

  // What is missing yet stands where the request will be.
  function show(rest) {
    var pane = document.querySelector('[data-spot="request"]');
    if (pane && !pane.hasChildNodes()) { pane.replaceChildren(rest); }
  }

  function live(form) {
    var timer, asked = 0;
    function look() {
      var number = ++asked;
      ask(form.dataset.live, form).then(function (text) {
        if (number === asked) { show(spread(text)); }  // a later question may be answered first
      }).catch(function () {});
    }
    function soon() { window.clearTimeout(timer); timer = window.setTimeout(look, 600); }
    form.addEventListener("input", soon);
    form.addEventListener("change", soon);
    look();
  }

  function test(button) {
    var box = button.parentNode.querySelector("[data-probed]");
    button.disabled = true;
    box.textContent = "Testing ...";
    ask(button.dataset.probe, button.form).then(function (text) { box.innerHTML = text; }).catch(function () {
      box.textContent = "The test could not be made. Are you still signed in?";
    }).finally(function () { button.disabled = false; });
  }

  // Beside the host keys: the test shows the server's key, to be compared and trusted.
  function offerKeys(form) {
    var field = input(form, "hostKeys"), probe = form.querySelector("[data-probe]");
    if (!field || !probe) { return; }
    var button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-sm btn-outline-primary mt-1";
    button.textContent = "Fetch the server's key ...";
    button.addEventListener("click", function () {
      probe.click();
      probe.scrollIntoView({ block: "center" });
    });
    field.after(button);
  }

  function trust(button) {
    var field = input(button.closest("form"), "hostKeys");
    var keys = field.value.split(/\r?\n/).filter(Boolean);
    if (keys.indexOf(button.dataset.trust) < 0) { keys.push(button.dataset.trust); }
    field.value = keys.join("\n");
    button.textContent = "Trusted once you save";
    button.disabled = true;
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-probe], [data-trust]");
    if (button && button.dataset.probe) { test(button); } else if (button) { trust(button); }
  });

  document.querySelectorAll("[data-presets]").forEach(presets);
  document.querySelectorAll("[data-live]").forEach(function (form) {
    form.addEventListener("change", function () { depend(form); });
    depend(form);
    offerKeys(form);
    live(form);
  });
  window.waybill = { spread: spread };
}());
