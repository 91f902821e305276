import { Flex, chakra } from "@chakra-ui/react";
import type { ReactNode } from "react";
import { Link as RouterLink } from "react-router-dom";

interface Tab {
  label: string;
  /** A query string: the views of one page differ in it only. */
  search: string;
  current: boolean;
  /** Stands beside the label. */
  badge?: ReactNode;
}

const TabLink = chakra(RouterLink);

interface Props {
  tabs: Tab[];
  label: string;
  /** Another page of ours, which Airflow's own tabs may have pushed out of sight. */
  beside?: { label: string; to: string };
}

/** Views of one page, looking as the tabs of Airflow's own pages. */
export function NavTabs({ tabs, label, beside }: Props) {
  return (
    <Flex as="nav" aria-label={label} wrap="wrap" borderBottomWidth="1px" borderColor="border.emphasized" mb={2}>
      {tabs.map((tab) => (
        <TabLink
          key={tab.label}
          to={{ search: tab.search }}
          aria-current={tab.current ? "page" : undefined}
          px={4}
          py={2}
          mb="-1px"
          fontWeight="bold"
          borderBottomWidth="3px"
          borderColor={tab.current ? "border.info" : "transparent"}
          color={tab.current ? "fg" : "fg.muted"}
          _hover={{ color: "fg" }}
        >
          {tab.label}
          {tab.badge}
        </TabLink>
      ))}
      {beside === undefined ? undefined : (
        <TabLink to={beside.to} px={4} py={2} ml="auto" color="fg.info" _hover={{ textDecoration: "underline" }}>
          {beside.label}
        </TabLink>
      )}
    </Flex>
  );
}
