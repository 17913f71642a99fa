// Each button sends one change, as docs/portal.md says it, and goes where the answer leads.
"use strict";
const told = document.getElementById("told");
const name = () => document.getElementById("name")?.value.trim();
for (const button of document.querySelectorAll("button[data-post]")) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const answer = await fetch(button.dataset.post, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Switchboard-Portal": "1" },
        body: JSON.stringify(name() ? { name: name() } : {}),
      });
      const body = await answer.json();
      if (answer.ok) {
        location.assign(body.consent_url || body.entra_sign_out_url || location.pathname);
        return;
      }
      told.textContent = body.error.message;
    } catch {
      told.textContent = "The service could not be reached; try again.";
    }
    button.disabled = false;
  });
}
