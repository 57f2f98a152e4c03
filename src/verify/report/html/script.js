(function () {
  var filter = document.querySelector(".filter"), input = filter && filter.querySelector("input");
  if (!input) return;
  var status = filter.querySelector("output"), rows = document.querySelectorAll(".checks tbody:not(.head) tr");
  filter.hidden = false;
  input.addEventListener("input", function () {
    var words = input.value.toLowerCase().split(/\s+/), shown = 0;
    rows.forEach(function (row) {
      var text = row.textContent.toLowerCase();
      row.hidden = !words.every(function (word) { return text.includes(word); });
      if (!row.hidden) shown += 1;
      if (input.value && !row.hidden) row.closest("details").open = true;
    });
    status.textContent = input.value ? shown + " of " + rows.length : "";
  });
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details.prints").forEach(function (details) { details.open = true; });
  });
})();
