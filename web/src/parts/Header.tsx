// The top: what is shown, a search, light or dark, help.
import { choose } from "../state/chosen";
import type { Theme } from "../state/colouring";
import { theme } from "../state/colouring";
import { words } from "../state/filters";
import { shown, view, views } from "../state/session";
import { openHelp } from "./Help";
import { Icon } from "./Icon";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

const PAUSE = 200; // milliseconds without a letter
let pause = 0;

function searchSoon(said: string): void {
  clearTimeout(pause);
  pause = window.setTimeout(() => (words.value = said), PAUSE);
}

/** Enter goes to the sample of that number. */
function goTo(said: string): void {
  const number = /^#?([\d,]+)$/.exec(said.trim())?.[1];
  const sample = number ? Number(number.replaceAll(",", "")) : NaN;
  if (sample < (view.value?.samples ?? 0)) choose(sample);
}

export function Header() {
  const found = view.value;
  return (
    <header class="top">
      <h1>
        <span class="brand">kinsight</span> <bdi>{found?.title}</bdi>
      </h1>
      {views.value.length > 1 && <ViewSwitch />}
      <label class="search">
        <Icon name="search" />
        <span class="hidden">Search names, texts, labels, numbers</span>
        <input
          id="search"
          type="search"
          placeholder="Search names, texts, labels, numbers  ( / )"
          value={words.value}
          maxLength={200}
          onInput={(event) => searchSoon(event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Enter" && goTo(event.currentTarget.value)}
        />
      </label>
      <button
        type="button"
        class="plain"
        title={`Colours of the page: ${theme.value}`}
        aria-label={`Colours of the page: ${theme.value}; change`}
        onClick={() => (theme.value = NEXT[theme.value])}
      >
        <Icon name="theme" /> {theme.value}
      </button>
      <button type="button" class="plain" onClick={openHelp}>
        Keys <kbd>?</kbd>
      </button>
    </header>
  );
}

function ViewSwitch() {
  return (
    <div class="switch" role="group" aria-label="Whose numbers are shown">
      {views.value.map((one) => (
        <button
          key={one.id}
          type="button"
          aria-pressed={shown.value === one.id}
          onClick={() => (shown.value = one.id)}
        >
          <bdi>{one.path_name}</bdi>
        </button>
      ))}
    </div>
  );
}
