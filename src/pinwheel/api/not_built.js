// Served in place of the built web UI when there is none.
const { createElement } = globalThis.React;
const { Box, Code, Heading, Text } = globalThis.ChakraUI;

function NotBuilt() {
  return createElement(
    Box,
    { p: 6, role: "alert", "data-testid": "pinwheel" },
    createElement(Heading, { size: "md", mb: 2 }, "Pinwheel's pages have not been built"),
    createElement(Text, { mb: 2 }, "This API server runs from a source checkout without them. Releases, pins and the REST API work."),
    createElement(Text, null, "Build them with ", createElement(Code, null, "scripts/bootstrap"), ", then reload this page."),
  );
}

Object.assign(globalThis, { Releases: NotBuilt, "Dag History": NotBuilt, Version: NotBuilt });
