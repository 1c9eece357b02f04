// A PDF made by hand: pages of plain words.

/** @param {string[][]} pages the lines of each @returns {Buffer} */
export function pdf(pages) {
  const objects = ["<< /Type /Catalog /Pages 2 0 R >>", `<< /Type /Pages /Count ${pages.length} /Kids [${pages.map((_, at) => `${4 + at * 2} 0 R`).join(" ")}] >>`, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"];
  for (const [at, lines] of pages.entries()) {
    const shown = lines.map((line) => `(${line.replace(/[\\()]/g, "\\$&")}) Tj T*`).join("\n");
    const words = `BT /F1 2.4 Tf 2.6 TL 60 800 Td\n${shown}\nET`;
    objects.push(`<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents ${5 + at * 2} 0 R >>`);
    objects.push(`<< /Length ${Buffer.byteLength(words, "latin1")} >>\nstream\n${words}\nendstream`);
  }
  let text = "%PDF-1.4\n";
  const places = objects.map((object, at) => {
    const place = Buffer.byteLength(text, "latin1");
    text += `${at + 1} 0 obj\n${object}\nendobj\n`;
    return place;
  });
  const table = Buffer.byteLength(text, "latin1");
  text += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${places.map((place) => `${String(place).padStart(10, "0")} 00000 n \n`).join("")}`;
  text += `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${table}\n%%EOF\n`;
  return Buffer.from(text, "latin1");
}

/** A book of full pages, which takes its time to be read: the word stands on one of them alone. @param {number} many @param {number} page @param {string} word */
export const book = (many, page, word) => pdf(Array.from({ length: many }, (_, at) => [
  `Chapter ${at + 1}`, ...Array.from({ length: 300 }, (_, line) => `On page ${at + 1} the story goes on in line ${line + 1}, quietly.`), ...(at + 1 === page ? [`Here it speaks of the ${word} and its light.`] : []),
]));
