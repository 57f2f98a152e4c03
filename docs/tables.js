// On a phone tables.css shows each row of a wide table as a block. This names every cell after its column there.
for (const table of document.querySelectorAll(".content table")) {
    const names = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent);
    if (names.length < 3) continue;
    table.classList.add("wide");
    for (const row of table.querySelectorAll("tbody tr")) {
        [...row.children].forEach((cell, column) => (cell.dataset.column = names[column]));
    }
}
