// The configuration, with its words in colour.

const words = /(?<comment>#.*)|(?<string>"(?:\\"|[^"])*")|(?<directive>\$[A-Z]+|\b[a-z-]+\.[a-z.-]+)|(?<number>\b\d+\b)/g;

/** showConfig fills element with the text of a configuration. */
export function showConfig(element, text) {
  element.replaceChildren();
  let end = 0;
  for (const match of text.matchAll(words)) {
    const [kind] = Object.entries(match.groups).find(([, word]) => word !== undefined);
    element.append(text.slice(end, match.index), coloured(kind, match[0]));
    end = match.index + match[0].length;
  }
  element.append(text.slice(end));
}

function coloured(kind, word) {
  const span = document.createElement("span");
  span.className = kind;
  span.textContent = word;
  return span;
}
