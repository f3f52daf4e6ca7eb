// The page: asks what there is, then shows it.
import { render } from "preact";

import { watchKeys } from "./keys";
import { App } from "./parts/App";
import { readAddress, watchAddress } from "./state/address";
import { watchChosen } from "./state/chosen";
import { watchTheme } from "./state/colouring";
import { readDecisions } from "./state/decisions";
import { watchFilters } from "./state/filters";
import { about, begin, complain } from "./state/session";

watchTheme();
render(<App />, document.getElementById("page")!);
await begin();
if (about.value) {
  document.title = `${about.value.title} – kinsight`;
  readAddress();
  watchAddress();
  watchChosen();
  watchFilters();
  watchKeys();
  await readDecisions().catch(complain);
}
