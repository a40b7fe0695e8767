// Rows that can be added, moved and removed; pickers for fields, campaigns and products; questions before harm is done.
(function ($) {
  "use strict";

  var fieldsElement = document.getElementById("wb-fields");
  var groups = fieldsElement ? JSON.parse(fieldsElement.textContent) : [];

  function free(term) {
    var typed = $.trim(term);
    return typed ? { id: typed, text: typed } : null;
  }

  // Names beyond the list: custom fields, and items after the first.
  function ownField(term) {
    return /^(custom:.|product[1-9]\d?_\w)/.test($.trim(term)) ? free(term) : null;
  }

  // Flask-Admin brings Select2 3.5: it sits on text inputs, so that the page works without it, too.
  function pickers(root) {
    $(root).find("input[data-fields]").each(function () {
      $(this).select2({
        data: { results: groups },
        createSearchChoice: ownField,
        createSearchChoicePosition: "bottom",
        initSelection: function (element, done) { done({ id: element.val(), text: element.val() }); },
        placeholder: "Choose a field ...",
        formatResult: field,
        matcher: match,
        sortResults: bestFirst
      });
    });
    $(root).find("input[data-lookup]").each(function () {
      var label = $(this).data("label");
      $(this).select2({
        createSearchChoice: free,
        createSearchChoicePosition: "bottom",
        initSelection: function (element, done) { done({ id: element.val(), text: label }); },
        ajax: {
          url: $(this).data("lookup"),
          quietMillis: 200,
          data: function (term) { return { q: term }; },
          results: function (data) { return data; }
        }
      });
    });
  }

  function field(item) {
    var label = $("<span>").text(item.text);
    if (item.meaning) { label.append($("<small class='text-muted'>").text("  " + item.meaning + (item.sample ? " (" + item.sample + ")" : ""))); }
    return label;
  }

  // A word finds fields by name and by what they mean.
  function match(term, text, item) {
    return (text + " " + (item && item.meaning || "")).toLowerCase().indexOf($.trim(term).toLowerCase()) >= 0;
  }

  // Fields whose name begins with the word come before those that only mean it.
  function bestFirst(found, _container, query) {
    var term = $.trim(query.term).toLowerCase();
    if (!term) { return found; }
    function rank(item) {
      if (item.children) { return Math.min.apply(null, item.children.map(rank)); }
      var place = item.text.toLowerCase().indexOf(term);
      return place === 0 ? 0 : place > 0 ? 1 : 2;
    }
    function inOrder(items) { return items.slice().sort(function (a, b) { return rank(a) - rank(b); }); }
    return inOrder(found.map(function (item) {
      return item.children ? $.extend({}, item, { children: inOrder(item.children) }) : item;
    }));
  }

  function toggle(element, isShown) { element.classList.toggle("wb-hidden", !isShown); }

  function showSource(row) {
    var select = row.querySelector("[data-source]");
    if (!select) { return; }
    var source = select.value;
    toggle(row.querySelector('[data-for="field"]'), source === "field");
    toggle(row.querySelector('[data-for="text"]'), source !== "field");
    toggle(row.querySelector('[data-for="chain"]'), source !== "static");
    toggle(row.querySelector('[data-for="secret"]'), source === "static");
  }

  function showChoice(box) {
    var kind = box.querySelector("[data-chooses]").value;
    box.querySelectorAll("[data-chosen]").forEach(function (part) { toggle(part, part.dataset.chosen === kind); });
  }

  function number(table) {
    var name = table.dataset.rows;
    table.querySelectorAll("[data-row]").forEach(function (row, index) {
      row.querySelectorAll("[name]").forEach(function (input) {
        input.name = input.name.replace(/^[a-z]+-\d+-/, name + "-" + index + "-");
      });
    });
  }

  function add(name) {
    var table = document.querySelector('[data-rows="' + name + '"]');
    var blank = document.querySelector('[data-blank="' + name + '"]');
    var row = blank.content.querySelector("[data-row]").cloneNode(true);
    row.querySelectorAll("[id]").forEach(function (element) { element.removeAttribute("id"); });
    table.querySelector("tbody").appendChild(row);
    number(table);
    showSource(row);
    pickers(row);
    row.querySelector("input, select").focus();
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-add], [data-remove], [data-move]");
    if (!button) { return; }
    if (button.dataset.add) { add(button.dataset.add); return; }
    var row = button.closest("[data-row]");
    var table = row.closest("[data-rows]");
    if (button.dataset.move === "up" && row.previousElementSibling) { row.parentNode.insertBefore(row, row.previousElementSibling); }
    else if (button.dataset.move === "down" && row.nextElementSibling) { row.parentNode.insertBefore(row.nextElementSibling, row); }
    else if (button.hasAttribute("data-remove")) { row.remove(); }
    number(table);
    if (button.dataset.move) { button.focus(); }
    table.dispatchEvent(new Event("change", { bubbles: true }));
  });

  // A look at the form as it stands. The page stays, so that no typed secret is lost.
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-preview]");
    if (!button) { return; }
    var box = button.form.querySelector("[data-previewed]");
    fetch(button.dataset.preview, { method: "POST", body: new FormData(button.form) }).then(function (answer) {
      if (!answer.ok || answer.redirected) { throw new Error(answer.status); }
      return answer.text();
    }).then(function (text) {
      box.replaceChildren(window.waybill.spread(text));
      if (!box.textContent.trim()) { box.textContent = "This can be saved. What it would make stands above, with its settings."; }
      box.scrollIntoView({ block: "nearest" });
    }).catch(function () {
      box.textContent = "No preview could be made. Are you still signed in?";
    });
  });

  document.addEventListener("change", function (event) {
    var row = event.target.matches("[data-source]") && event.target.closest("[data-row]");
    if (row) { showSource(row); }
    var box = event.target.matches("[data-chooses]") && event.target.closest("[data-choice]");
    if (box) { showChoice(box); }
  });

  // A form is sent once, however often its button is pressed. Coming back to the page, it can be sent again.
  document.addEventListener("submit", function (event) {
    var form = event.target, question = form.dataset.confirm;
    if (form.dataset.sent || (question && !window.confirm(question))) { event.preventDefault(); return; }
    if (form.method === "post") { form.dataset.sent = "1"; }
    window.setTimeout(function () { delete form.dataset.sent; }, 5000);
  });

  // Rows are dragged by their handle, with mouse, pen or finger; the arrow buttons do the same for the keyboard.
  document.addEventListener("pointerdown", function (event) {
    var handle = event.target.closest("[data-drag]");
    if (!handle) { return; }
    event.preventDefault();
    var row = handle.closest("[data-row]"), body = row.parentNode;
    row.classList.add("wb-dragged");
    function move(moved) {
      Array.from(body.children).forEach(function (other) {
        var box = other.getBoundingClientRect();
        if (other === row || moved.clientY < box.top || moved.clientY > box.bottom) { return; }
        body.insertBefore(row, moved.clientY > box.top + box.height / 2 ? other.nextSibling : other);
      });
    }
    function drop() {
      row.classList.remove("wb-dragged");
      document.removeEventListener("pointermove", move);
      document.removeEventListener("pointerup", drop);
      document.removeEventListener("pointercancel", drop);
      number(body.closest("[data-rows]"));
      row.dispatchEvent(new Event("change", { bubbles: true }));
    }
    document.addEventListener("pointermove", move);
    document.addEventListener("pointerup", drop);
    document.addEventListener("pointercancel", drop);
  });

  document.querySelectorAll("[data-row]").forEach(showSource);
  document.querySelectorAll("[data-choice]").forEach(showChoice);
  document.querySelectorAll("[data-rows]").forEach(pickers);
}(jQuery));
