package dirlist

// style is for pages without a style sheet of their own.
const style = `body { margin: 1em; background: #fafafa; color: #222; font-family: sans-serif; }
a { color: #0645ad; text-decoration: none; }
a:hover, a:focus { text-decoration: underline; }
table { border-collapse: collapse; font-family: monospace; }
th, td { padding: 2px 1em 2px 0; text-align: left; }
th { cursor: pointer; }
th[aria-sort=ascending]::after { content: " \2191"; }
th[aria-sort=descending]::after { content: " \2193"; }
.s { text-align: right; }
.list { padding: .7em 0; border: solid #bbb; border-width: 1px 0; }
.foot { padding-top: .4em; color: #666; font-size: small; }
`

// script sorts the table by the column whose heading is clicked, and at first by
// the query: C names the column by its first letter (or D, a description, for
// the type), O the order, A or D. The parent stays on top; directories come
// first where names or types decide.
const script = `(function () {
  var table = document.querySelector("div.list table"), body = table.tBodies[0];
  var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
  function text(row, i) { return row.cells[i].textContent; }
  function value(row, i) {
    var s = text(row, i);
    if (i === 1) return Date.parse(s.replace(/-/g, " ")) || 0;
    if (i === 2) return s === "-" ? -1 : parseFloat(s) * Math.pow(1024, "KMGTPE".indexOf(s.slice(-1)));
    return (row.className === "d" ? "0" : "1") + (i === 3 ? s : "");
  }
  function compare(a, b) { return a < b ? -1 : a > b ? 1 : 0; }
  function sort(i, sign) {
    heads.forEach(function (h, k) {
      if (k === i) h.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      else h.removeAttribute("aria-sort");
    });
    Array.prototype.slice.call(body.rows).map(function (row) {
      return { row: row, up: text(row, 0) === "../", value: value(row, i), name: text(row, 0) };
    }).sort(function (a, b) {
      if (a.up || b.up) return a.up ? -1 : 1;
      return sign * (compare(a.value, b.value) || a.name.localeCompare(b.name));
    }).forEach(function (x) { body.appendChild(x.row); });
  }
  heads.forEach(function (h, i) {
    h.addEventListener("click", function () { sort(i, h.getAttribute("aria-sort") === "ascending" ? -1 : 1); });
  });
  var query = new URLSearchParams(location.search), column = { N: 0, M: 1, S: 2, T: 3, D: 3 }[query.get("C")];
  if (column !== undefined) sort(column, query.get("O") === "D" ? -1 : 1);
})();
`
