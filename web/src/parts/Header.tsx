// The top: what is shown, a search, light or dark, help.
import type { Theme } from "../state/colouring";
import { theme } from "../state/colouring";
import { words } from "../state/filters";
import { shown, view, views } from "../state/session";
import { openHelp } from "./Help";
import { Icon } from "./Icon";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

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
          onInput={(event) => (words.value = event.currentTarget.value)}
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
