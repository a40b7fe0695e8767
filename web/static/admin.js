// Rows that can be added, moved and removed; pickers for fields, campaigns and products; questions before harm is done.
(function ($) {
  "use strict";

  var fieldsElement = document.getElementById("wb-fields");
  var groups = fieldsElement ? JSON.parse(fieldsElement.textContent) : [];

  function free(params) {
    var term = $.trim(params.term);
    return term ? { id: term, text: term } : null;
  }

  function pickers(root) {
    $(root).find("select[data-fields]").each(function () {
      var current = $(this).val();
      $(this).empty().append(new Option("", ""));
      if (current) { $(this).append(new Option(current, current, true, true)); }
      $(this).select2({ data: groups, tags: true, createTag: free, placeholder: "Choose a field ...", templateResult: field, matcher: match });
    });
    $(root).find("select[data-lookup]").each(function () {
      $(this).select2({
        tags: true,
        createTag: free,
        ajax: {
          url: $(this).data("lookup"),
          delay: 200,
          data: function (params) { return { q: params.term || "" }; },
          processResults: function (data) { return data; }
        }
      });
    });
  }

  function field(item) {
    if (!item.meaning) { return item.text; }
    return $("<span>").text(item.text).append($("<small class='text-muted'>").text("  " + item.meaning));
  }

  // A word finds fields by name and by what they mean.
  function match(params, item) {
    var term = $.trim(params.term).toLowerCase();
    if (!term) { return item; }
    if (item.children) {
      var found = item.children.filter(function (child) { return match(params, child); });
      return found.length ? $.extend({}, item, { children: found }) : null;
    }
    return (item.text + " " + (item.meaning || "")).toLowerCase().indexOf(term) >= 0 ? item : null;
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
  });

  document.addEventListener("change", function (event) {
    var row = event.target.matches("[data-source]") && event.target.closest("[data-row]");
    if (row) { showSource(row); }
    var box = event.target.matches("[data-chooses]") && event.target.closest("[data-choice]");
    if (box) { showChoice(box); }
  });

  document.addEventListener("submit", function (event) {
    var question = event.target.dataset.confirm;
    if (question && !window.confirm(question)) { event.preventDefault(); }
  });

  document.querySelectorAll("[data-row]").forEach(showSource);
  document.querySelectorAll("[data-choice]").forEach(showChoice);
  document.querySelectorAll("[data-rows]").forEach(pickers);
}(jQuery));
