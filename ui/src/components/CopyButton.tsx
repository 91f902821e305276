import { Button } from "@chakra-ui/react";
import { useState } from "react";

/** Copies a text; says so for a moment. Works on plain http too, where browsers offer no clipboard. */
export function CopyButton({ text, children }: { text: string; children: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    if (window.isSecureContext) {
      await navigator.clipboard.writeText(text);
    } else {
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    setCopied(true);
    setTimeout(() => setCopied(false), 2_000);
  };
  return (
    <Button size="xs" variant="outline" onClick={() => void copy()}>
      {copied ? "Copied" : children}
    </Button>
  );
}
