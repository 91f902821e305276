SELECT stock.article, stock.pieces, coalesce(sum(orders.pieces), 0) AS sold
FROM stock LEFT JOIN orders ON orders.article = stock.article
GROUP BY stock.article
