/** One of a few: tries, versions, views. */
import { Button, HStack, Text } from "@chakra-ui/react";

interface Option {
  value: string;
  label: string;
}

export function Choice({ label, value, options, onChange }: { label: string; value: string; options: Option[]; onChange: (value: string) => void }) {
  return (
    <HStack role="group" aria-label={label} gap={1} wrap="wrap">
      <Text color="fg.muted" fontSize="sm" mr={1}>
        {label}
      </Text>
      {options.map((option) => (
        <Button
          key={option.value}
          size="xs"
          variant={option.value === value ? "solid" : "outline"}
          aria-pressed={option.value === value}
          onClick={() => onChange(option.value)}
        >
          {option.label}
        </Button>
      ))}
    </HStack>
  );
}
