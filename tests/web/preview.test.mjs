// What a tile shows of a session's last words.
import assert from "node:assert/strict";
import { test } from "node:test";
import { preview } from "../../static/js/observe/preview.js";

test("the marks go and the words stay, however they were cut", () => {
  for (const [said, shown] of [
    ["**Well done!** Now `x`", "Well done! Now x"],
    ["a half **open mark", "a half open mark"],
    ["closed** before it", "closed before it"],
    ["so $x^2 + \\frac{1}{2}$ it is", "so x^2 + 1/2 it is"],
    ["$$\\sqrt{9} \\times 3 \\text{ cm}$$", "√9 · 3  cm"],
    ["## Step 2\n- first\n* then", "Step 2\nfirst\nthen"],
    ["an *important* word, and 3 * 4 = 12", "an important word, and 3 * 4 = 12"],
    ["see [the page](https://example.org/a) now", "see the page now"],
    ["snake_case - a dash > less", "snake_case - a dash > less"],
    ["", ""],
  ]) {
    assert.equal(preview(said), shown);
  }
});

test("hostile words of any length come out no longer than they were", () => {
  for (const bit of ["*", "[", "\\frac{", "$", "\\text {", "(", "!["]) {
    assert.ok(preview(bit.repeat(20_000)).length <= bit.length * 20_000);
  }
});
