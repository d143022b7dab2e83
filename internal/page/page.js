// Keeps the page at the present: the server sends its changing part anew after
// every change, rendered and escaped; in between, sums and ages go on by themselves.
"use strict";

const now = document.getElementById("now");
const link = document.getElementById("link");
let seen = performance.now();

// As the server says them, see words.go.
function money(dollars) {
  const size = Math.abs(dollars);
  const digits = size === 0 || size >= 1 ? 2 : size >= 0.01 ? 4 : 6;
  return (dollars < 0 ? "−$" : "$") + size.toFixed(digits);
}
function ago(seconds) {
  const n = Math.max(0, Math.floor(seconds));
  const two = (x) => String(x).padStart(2, "0");
  if (n < 60) return n + " s ago";
  if (n < 3600) return Math.floor(n / 60) + " m " + two(n % 60) + " s ago";
  if (n < 86400) return Math.floor(n / 3600) + " h " + two(Math.floor(n / 60) % 60) + " m ago";
  return Math.floor(n / 86400) + " d " + two(Math.floor(n / 3600) % 24) + " h ago";
}

function grow() {
  const hours = (performance.now() - seen) / 3600e3;
  for (const sum of document.querySelectorAll("data[data-rate]")) {
    sum.textContent = money(Number(sum.value) + hours * Number(sum.dataset.rate));
  }
  for (const time of document.querySelectorAll("time[data-ago]")) {
    time.textContent = ago((Date.now() - Date.parse(time.dateTime)) / 1000);
  }
}

const source = new EventSource("live");
source.onmessage = (event) => {
  // What a person has unfolded stays so: an event is known by its text.
  const open = new Set([...now.querySelectorAll("details[open]")].map((d) => d.parentElement.textContent.replace(/^.*? ago/s, "")));
  now.innerHTML = event.data;
  for (const d of now.querySelectorAll("details")) {
    d.open = open.has(d.parentElement.textContent.replace(/^.*? ago/s, ""));
  }
  seen = performance.now();
  document.title = [...now.querySelectorAll("header h1, header .state")].map((e) => e.textContent).join(" · ");
  link.textContent = "Live.";
  grow();
};
source.onerror = () => { link.textContent = "Not connected; trying again."; };
setInterval(grow, 1000);
