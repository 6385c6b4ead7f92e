// The page's program is JavaScript as the browser runs it; its types are in comments.
declare module '*/src/report/page/filter.js';
declare module '*/inPage.js';
