// The functions of tool.wit. What they are given is theirs to free; what they return is freed once it was read.

#include "bindings/tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TIMES = 100 };

// Memory, or the end of the call.
static void *resized(void *memory, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) abort();
  memory = realloc(memory, bytes);
  if (memory == NULL && bytes > 0) abort();
  return memory;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t length) {
  memcpy(at, bytes, length);
  return at + length;
}

static void fail(tool_string_t *err, uint32_t times) {
  char message[64];
  int length = snprintf(message, sizeof message, "cannot greet %" PRIu32 " times", times);
  tool_string_dup_n(err, message, (size_t)length);
}

// Returns whether it succeeded; the result is in `ret` then, and else in `err`.
bool exports_tool_greet(tool_string_t *name, uint32_t *maybe_times, tool_string_t *ret, tool_string_t *err) {
  uint32_t times = maybe_times ? *maybe_times : 1;
  if (times < 1 || times > MAX_TIMES) {
    fail(err, times);
    tool_string_free(name);
    return false;
  }
  size_t greeting = strlen("Hello, ") + name->len + strlen("! ");
  ret->ptr = resized(NULL, times, greeting);
  uint8_t *at = ret->ptr;
  for (uint32_t i = 0; i < times; i++) {
    if (i > 0) at = put(at, " ", 1);
    at = put(at, "Hello, ", strlen("Hello, "));
    at = put(at, name->ptr, name->len);
    at = put(at, "!", 1);
  }
  ret->len = (size_t)(at - ret->ptr);
  tool_string_free(name);
  return true;
}

static bool is_space(uint8_t byte) {
  return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\f' || byte == '\r';
}

static void count(tool_list_word_t *words, const uint8_t *found, size_t length) {
  for (size_t i = 0; i < words->len; i++) {
    tool_string_t *text = &words->ptr[i].text;
    if (text->len == length && memcmp(text->ptr, found, length) == 0) {
      words->ptr[i].count++;
      return;
    }
  }
  words->ptr = resized(words->ptr, words->len + 1, sizeof *words->ptr);
  tool_word_t *word = &words->ptr[words->len++];
  tool_string_dup_n(&word->text, (const char *)found, length);
  word->count = 1;
}

void exports_tool_count_words(tool_string_t *text, tool_list_word_t *ret) {
  *ret = (tool_list_word_t){0};
  const uint8_t *at = text->ptr, *end = text->ptr + text->len;
  while (at < end) {
    const uint8_t *start = at;
    while (at < end && !is_space(*at)) at++;
    if (at > start) count(ret, start, (size_t)(at - start));
    else at++;
  }
  tool_string_free(text);
}
