// A diagram of Mermaid's, drawn in the reader's browser in the colours of the page. Where no script runs its text is there.
import { useData } from 'vitepress';
import { defineComponent, h, onMounted, ref, watch } from 'vue';

/** How many were drawn: Mermaid puts each into an element with an id. */
let drawn = 0;

export const Diagram = defineComponent({
  props: { text: { type: String, required: true } },
  setup(props) {
    const { isDark } = useData();
    const text = decodeURIComponent(props.text);
    const drawing = ref<string | null>(null);
    const draw = async (): Promise<void> => {
      const { default: mermaid } = await import('mermaid'); // large, and needed by few pages
      mermaid.initialize({
        startOnLoad: false,
        theme: isDark.value ? 'dark' : 'neutral',
        fontFamily: 'inherit',
      });
      drawing.value = (await mermaid.render(`diagram-${drawn++}`, text)).svg;
    };
    onMounted(draw);
    watch(isDark, draw);
    return () =>
      drawing.value === null
        ? h('pre', { class: 'diagram' }, text)
        : h('div', { class: 'diagram', innerHTML: drawing.value });
  },
});
