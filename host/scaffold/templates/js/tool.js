// The functions of tool.wit. What is thrown is the error of a result; an `Error` ends the call.

export function greet(name, times = 1) {
  if (times < 1 || times > 100) {
    throw `cannot greet ${times} times`;
  }
  return Array(times).fill(`Hello, ${name}!`).join(' ');
}

export function countWords(text) {
  const counts = new Map();
  for (const word of text.match(/[^ \t\n\f\r]+/g) ?? []) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].map(([text, count]) => ({ text, count }));
}
