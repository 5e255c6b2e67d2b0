"use strict";
// Follows a run that goes on: asks whether its files have changed, and draws them anew.

const INTERVAL = 250; // milliseconds between questions
let stamp = null;

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.text();
}

async function follow() {
  const line = document.getElementById("follow");
  try {
    const now = await ask("stamp");
    if (now !== stamp) {
      DATA = JSON.parse(await ask("data"));
      stamp = now;
      const top = window.scrollY;
      show();
      window.scrollTo(0, top);
    }
    line.textContent = "Followed as it goes on.";
  } catch (error) {
    line.textContent = error instanceof TypeError ? "No answer: `synagents watch` has ended." : error.message;
  }
  setTimeout(follow, INTERVAL);
}

document.querySelector("header").append(Object.assign(document.createElement("p"), { id: "follow", className: "quiet" }));
follow();
