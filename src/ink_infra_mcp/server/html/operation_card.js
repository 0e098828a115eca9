"use strict";

host.hear("tool-input", () => say("The operation is being looked at…"));
host.hear("tool-result", (result) => {
  followed = null;
  void follow(drawOperation(result) || "");
});
host.hear("tool-cancelled", () => say("The call was cancelled."));
host.begin("ink-infra-operation").catch((error) => say(words(error.message)));
